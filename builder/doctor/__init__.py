"""The doctor: who runs which Python on this machine, and why that one cannot do what the user means.

Files are read into claims ("DataSpell runs this interpreter, because of this line"), interpreters are compared, and
one cause is named. Nothing is changed and, in the static part, nothing that was found is run.
"""
