"""The contract suites, for authors of methods and of encoders: plain asserts that any test runner can call."""

from crossdistill.testing.encoders import ENCODER_PROPERTIES, check_encoder
from crossdistill.testing.methods import METHOD_PROPERTIES, check_method
from crossdistill.testing.problem import Problem, small_problem

__all__ = ["ENCODER_PROPERTIES", "METHOD_PROPERTIES", "Problem", "check_encoder", "check_method", "small_problem"]
