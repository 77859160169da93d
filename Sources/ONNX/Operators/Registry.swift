import GraphIR
import Operators

/// Every ONNX operator that gradc reads: those of our operators, then compositions of several.
public let onnxRules: [ONNXRule] = allOperators.flatMap { $0.onnxRules } + compositions

private let compositions: [ONNXRule] = [
  attentionRules, causalConvolutionRules, classificationLossRules, featureScalingRules, gruRules, ifRules, linearAttentionRules,
  linearModelRules, loopRules, lstmRules, optimizerStepRules, rnnRules, rotaryEmbeddingRules, scanRules,
].flatMap { $0 }
