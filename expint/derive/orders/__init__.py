"""Order conditions: rooted trees and words, what they ask of a method, and the report of what holds.

The theory asks a method for its schemes and imports no kind of method.
"""
