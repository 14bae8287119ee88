"""Workers that are killed, cut off and out of room, at every step of a datum."""
