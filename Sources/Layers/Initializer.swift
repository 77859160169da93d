import Basics
import GraphIR
import LoopIR
import Operators

/// How a parameter begins. Random ones are keyed by the seed and the tensor's path, so that appending a layer changes no other.
public enum Initializer: Hashable, Sendable {
  case zeros
  case ones
  case constant(Double)
  case normal(mean: Double, deviation: Double)
  /// Normal, cut at two deviations.
  case truncatedNormal(mean: Double, deviation: Double)
  case uniform(low: Double, high: Double)
  /// Glorot and Bengio 2010: deviation sqrt(2 / (in + out)), or limit sqrt(6 / (in + out)).
  case xavierNormal, xavierUniform
  /// He et al. 2015: deviation sqrt(2 / in), or limit sqrt(6 / in).
  case heNormal, heUniform
}
