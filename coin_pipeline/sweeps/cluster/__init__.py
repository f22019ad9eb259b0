"""Evaluation of a sweep on a Ray cluster: the same trials as on this machine.

`client` runs in the process of the run: it divides the sweep into parts, stores their trials and reports progress. It
starts a process of its own for Ray (`__main__`), because Ray ends the process that uses it when the cluster is lost.
`worker` runs on the nodes of the cluster.
"""
