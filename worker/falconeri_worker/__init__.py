"""The program beside the user's: fetches a datum's inputs, runs the command, puts the outputs.

It runs in the user's image and speaks to falconerid over HTTP only.
"""
