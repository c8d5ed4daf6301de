"""Plan, Blender worker, and the run that turns a catalogue of people into shards of triplets."""
