"""The config: its dataclasses, and the one reader of YAML files and overrides."""
