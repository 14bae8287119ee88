<<<<<<< HEAD
"""Files that travel: what `./run bench worker` measures with."""
=======
"""The parts of `./run bench storage`: the server, and who moves the same bytes by which means."""
>>>>>>> 2db83b4 (Look into found folders for names that can't be files; ask for no head after an upload in parts; begin ./run bench storage)
