"""How good made-up faces are: near real ones, of the right person, showing what was asked, copying nobody."""
