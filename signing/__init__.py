"""Floor 3: whose document it is: signatures, certificates, trust."""
