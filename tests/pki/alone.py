"""What the processes of the suite find in their environment. Import it before whatever reads that."""

import os

# No test believes an authority of this machine, and reading them all costs 55 ms wherever a TLS context is made: twice in every
# process that loads aiohttp.
os.environ["SSL_CERT_FILE"] = os.devnull

# A JVM of the suite lives for a second or two: what it would gain by compiling well and collecting in parallel it does not live to see.
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
JAVAC = ("javac", *(f"-J{option}" for option in JVM))
os.environ.setdefault("WSIMPORT_OPTS", " ".join(JVM))

# Whoever runs commands has not set this, and what is left in a buffer at the end is a case of its own.
os.environ.pop("PYTHONUNBUFFERED", None)
