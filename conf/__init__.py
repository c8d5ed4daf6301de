"""Configuration: how commands are declared (`conf.command`) and the presets they offer (the YAML groups beside this file)."""
