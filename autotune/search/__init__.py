"""Strategies that propose points of a task's space to measure, behind one interface."""
