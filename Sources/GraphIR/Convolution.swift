import Basics
import LoopIR

/// A convolution (in the sense of deep learning: a correlation) over any number of spatial axes, channels second:
///
///     y[n, o, p…] = sum over c, t… of x[n, (o / (O/groups))·C/groups + c, p·stride + t·dilation - padding…] w[o, c, t…]
///
/// with x [N, C, S…], w [O, C/groups, K…] and y [N, O, P…]; what x has outside is zero. All three of its directions are linear in each of
/// their operands, and each is a gradient of the other two.
public struct Convolution: Hashable, Sendable {
  /// What is computed from what.
  public enum Direction: String, Sendable, Hashable {
    /// x, w -> y.
    case forward
    /// dy, w -> dx; also the transposed convolution.
    case inputGradient = "input_gradient"
    /// x, dy -> dw.
    case filterGradient = "filter_gradient"
  }

  public var direction: Direction
  public var groups: Int
  /// One a spatial axis, as the others.
  public var strides: [Int]
  public var dilations: [Int]
  /// Zeros before the first element of each spatial axis of x. Those after the last show in the sizes.
  public var padding: [Int]

  public init(_ direction: Direction, groups: Int, strides: [Int], dilations: [Int], padding: [Int]) {
    self.direction = direction
    self.groups = groups
    self.strides = strides
    self.dilations = dilations
    self.padding = padding
  }

  public var spatialRank: Int { strides.count }

  /// The types of x, w and y, whichever of them is the result.
  public func roles(_ operands: [TensorType], _ result: TensorType) -> (x: TensorType, w: TensorType, y: TensorType) {
    switch direction {
    case .forward: (operands[0], operands[1], result)
    case .inputGradient: (result, operands[1], operands[0])
    case .filterGradient: (operands[0], result, operands[1])
    }
  }
}
