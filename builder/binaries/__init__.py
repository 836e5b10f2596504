"""Binary files: Mach-O and ELF, the inventory of a prefix, how dyld finds libraries and symbols, what macOS has."""
