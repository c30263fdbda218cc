"""`dgd.doctor`: whether this machine, a cluster and a dataset are fit for a job.

doctor  all of it      facts, sample  what a process says of itself, and of the dataset      process  such answers
software, machines, data, network  what follows from them      finding  what is found, and how it is written
"""
