import GraphIR
import Operators

/// Every ONNX operator that gradc reads: those of our operators, then compositions of several.
public let onnxRules: [ONNXRule] = allOperators.flatMap { $0.onnxRules } + compositions

private let compositions: [ONNXRule] = [
  attentionRules,
  causalConvolutionRules,
  centerCropPadRules,
  classificationLossRules,
  col2ImRules,
  constantRules,
  featureScalingRules,
  fourierRules,
  gruRules,
  ifRules,
  linearAttentionRules,
  linearModelRules,
  loopRules,
  lstmRules,
  nonMaxSuppressionRules,
  optimizerStepRules,
  rnnRules,
  rotaryEmbeddingRules,
  scanRules,
  selectionRules,
  sequenceRules,
  signalWindowRules,
  tileRules,
  triluRules,
].flatMap { $0 }
