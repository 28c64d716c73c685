"""The process and its composition: sockets, workers, signals, log, housekeeping."""
