export PATH="/usr/local/opt/python@3.9/bin:$PATH"
