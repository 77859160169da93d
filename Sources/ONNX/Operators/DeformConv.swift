import Basics
import GraphIR
import Operators

/// `DeformConv` (Dai et al. 2017, with the masks of Zhu et al. 2019): every tap's samples as channels of an image, then a convolution of
/// single positions.
let deformConvRules = [
  ONNXRule("DeformConv", since: 19) { node in
    let (x, filter) = (try node.value(0), try node.value(1))
    let (type, weight) = (node.type(x), node.type(filter))
    let sizes = try node.spatialSizes(type)
    let window = try node.convolutionWindow(type, filter: weight)
    let kernel = weight.shape.dropFirst(2).map(\.coefficient)
    let groups = try node.int("offset_group", 1)
    guard let channels = type.shape[1].constant, groups >= 1, channels % groups == 0 else {
      throw Diagnostic("the channels of \(type) cannot be cut into \(groups) groups of offsets")
    }
    let offsets = try node.value(2)
    let results = try node.spatialSizes(node.type(offsets))
    guard results.count == sizes.count, !weight.isEmpty else {
      throw Diagnostic("offsets \(node.type(offsets)) and filters \(weight) do not fit \(type)")
    }
    let (taps, pixels) = (kernel.reduce(1, *), results.reduce(1, *))
    let lead: Shape = [type.shape[0], Dimension(groups)]
    let all: Shape = lead + [Dimension(taps * pixels)]
    let split = try node.graph.reshape(offsets, lead + [taps, sizes.count, pixels].map { Dimension($0) })
    let coordinates = try sizes.indices.map { axis -> ValueID in
      let start = grid(axis, kernel, results, window)
      let table = try node.graph.constant(HostTensor(start, shape: [taps, 1, pixels], element: type.element))
      return try node.graph.reshape(node.graph.add(node.graph.slice(split, axis: 3, from: axis, to: axis + 1), table), all)
    }
    let mask = try node.optional(4).map { try node.graph.reshape($0, all) }
    let image = try node.graph.reshape(x, lead + [Dimension(channels / groups), Dimension(sizes.reduce(1, *))])
    let sampler = ImageSampler(mode: .linear, padding: .zeros, alignCorners: true, sizes: sizes)
    let samples = try sampler.sample(image, at: coordinates, scale: mask, &node.graph)
    let columns = try node.graph.reshape(samples, [type.shape[0], Dimension(channels * taps), Dimension(pixels)])
    let rows = try node.graph.reshape(filter, [weight.shape[0], Dimension(weight.shape[1].coefficient * taps), 1])
    let y = try node.graph.convolution(columns, rows, ConvolutionWindow(rank: 1, groups: window.groups))
    return [try node.biased(node.graph.reshape(y, [type.shape[0], weight.shape[0]] + results.map { Dimension($0) }), operand: 3)]
  }
]

/// Along one spatial axis, where each tap (row) of each result (column) lies without its offset.
private func grid(_ axis: Int, _ kernel: [Int], _ results: [Int], _ window: ConvolutionWindow) -> [Double] {
  func place(_ number: Int, _ sizes: [Int]) -> Int { number / sizes[(axis + 1)...].reduce(1, *) % sizes[axis] }
  let (stride, dilation, before) = (window.strides[axis], window.dilations[axis], window.paddingBefore[axis])
  var places: [Double] = []
  for tap in 0..<kernel.reduce(1, *) {
    let start = place(tap, kernel) * dilation - before
    for pixel in 0..<results.reduce(1, *) { places.append(Double(place(pixel, results) * stride + start)) }
  }
  return places
}
