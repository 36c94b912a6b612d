"""`simple` for Triton's Python backend: the sum and the difference of two tensors."""

import triton_python_backend_utils as pb


class TritonPythonModel:
    """What the Python backend looks for."""

    def execute(self, requests):
        """One response per request."""
        return [self._answer(request) for request in requests]

    @staticmethod
    def _answer(request):
        a, b = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("INPUT0", "INPUT1"))
        return pb.InferenceResponse([pb.Tensor("OUTPUT0", a + b), pb.Tensor("OUTPUT1", a - b)])
