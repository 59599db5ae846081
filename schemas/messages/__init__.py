"""The message types: one file each, and nothing in any list elsewhere.

Importing a file enters its readers in the register.
"""
