import GraphIR

/// Every operator that text forms, tests and the reference know; those that passes may build first.
public let allOperators: [any Operator.Type] = [
  Add.self, Broadcast.self, Cast.self, Constant.self, Element.self, Reshape.self, Scan.self, Sum.self, Transpose.self,

  Abs.self, Acos.self, Acosh.self, AdaptiveAveragePool.self, AdaptiveSumPool.self, ArgMax.self, ArgMin.self, Asin.self, Asinh.self,
  Attention.self, AttentionGradient.self,
  Atan.self, Atanh.self, AveragePool.self, BatchNormalize.self, BitShift.self, Bitwise.self, BitwiseNot.self, Ceil.self, Clip.self,
  Concat.self, ConvolutionFilterGradient.self, ConvolutionInputGradient.self, Convolve.self, Cos.self, Cosh.self, CumulativeProduct.self,
  CumulativeSum.self, DepthToSpace.self, Determinant.self, DisjointPoolGradient.self, Divide.self, Elu.self, Equal.self, Erf.self, Exp.self,
  Expm1.self, Floor.self, Gather.self, Gelu.self, Greater.self, GreaterEqual.self, GroupNormalize.self, Huber.self, Identity.self,
  Iota.self, LeakyRelu.self, Less.self, LessEqual.self, LocalResponseNormalize.self, Log.self, Log1p.self, LogSoftmax.self, LogicalAnd.self,
  LogicalNot.self, LogicalOr.self, MatMul.self, Max.self, MaxPool.self, Maximum.self, Mean.self, Min.self, MinPool.self, Minimum.self,
  Multiply.self, Negate.self, Normalize.self, NotEqual.self, OneHot.self, PRelu.self, Pad.self, Pick.self, PoolCount.self,
  PoolGradient.self, PoolPosition.self, Power.self, Product.self, RandomNormal.self, RandomUniform.self, Reciprocal.self, Relu.self,
  Remainder.self, Resample.self, ResampleTransposed.self, ResampleWeightGradient.self, ResizeLinear.self, ResizeLinearGradient.self,
  ResizeNearest.self, ResizeNearestGradient.self, Round.self, Rsqrt.self, Scatter.self, ScatterAdd.self, Select.self, Selu.self,
  Sigmoid.self, SigmoidCrossEntropy.self, Sign.self, Silu.self, Sin.self, Sinh.self, Size.self, Slice.self, Softmax.self,
  SoftmaxCrossEntropy.self, Softplus.self, Split.self, Sqrt.self, Square.self, StopGradient.self, Subtract.self, SumPool.self,
  SumPoolGradient.self, Tan.self, Tanh.self, TopK.self,
]
