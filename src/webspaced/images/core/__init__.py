"""What is listed, and why: values and functions that know no framework, no clock and no disk.

Releases and the files in them (`release`, `names`, `version`), what became known of each file by reading it (`facts`), which
builds can be listed (`verdict`), and the documents that say so (`catalogue`, `products`, `keys`).
"""
