"""The settings: values, sources, loading, and the pages printed from the declarations."""
