"""Whole files, folders of results, and journals of unfinished runs, none of which a crash leaves half written.

A process may be killed at any moment. One file is replaced by a rename, so that it is the old or the new one. Several
files are replaced by a renamed folder, from which they are moved one by one: readers look there first, and the next
write moves the rest. Temporary files are locked while their process lives, and removed by the next write into the same
folder if not.
A journal keeps the finished parts of a run, so that a later run can go on from there.
"""
