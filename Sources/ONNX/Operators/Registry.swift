import GraphIR
import Operators

/// Every ONNX operator that gradc reads: those of our operators, then compositions of several.
public let onnxRules: [ONNXRule] = allOperators.flatMap { $0.onnxRules } + compositions

private let compositions: [ONNXRule] = []
