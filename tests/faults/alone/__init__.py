"""Faults that everybody on this LXD meets, and what loads the machine: these tests run one by one."""
