import GraphIR

/// Every product of a convolution as its definition has it, as offsets into x [N, C, S…], w [O, C/groups, K…] and y [N, O, P…], row major.
/// What x has outside is left out. In any direction the offsets of the result tell where to add the product of the other two.
public func forEachTerm(
  of convolution: Convolution, x: [Int], w: [Int], y: [Int], _ body: (_ x: Int, _ w: Int, _ y: Int) -> Void
) {
  let space = convolution.spatialRank
  let (kernel, places) = (positions(Array(w.dropFirst(2))), positions(Array(y.dropFirst(2))))
  func offset(_ position: [Int], _ shape: [Int]) -> Int { zip(position, shape).reduce(0) { $0 * $1.1 + $1.0 } }
  // The place in x that an output's place and a filter's tap meet at; nil outside.
  let met = places.map { place in
    kernel.map { tap -> Int? in
      let at = (0..<space).map { place[$0] * convolution.strides[$0] + tap[$0] * convolution.dilations[$0] - convolution.padding[$0] }
      return zip(at, x.dropFirst(2)).allSatisfy { $0 >= 0 && $0 < $1 } ? offset(at, Array(x.dropFirst(2))) : nil
    }
  }
  let image = x.dropFirst(2).reduce(1, *)
  let filtersPerGroup = w[0] / convolution.groups
  for n in 0..<x[0] {
    for o in 0..<w[0] {
      for c in 0..<w[1] {
        let plane = (n * x[1] + o / filtersPerGroup * w[1] + c) * image
        for p in places.indices {
          for t in kernel.indices {
            guard let inside = met[p][t] else { continue }
            body(plane + inside, (o * w[1] + c) * kernel.count + t, (n * y[1] + o) * places.count + p)
          }
        }
      }
    }
  }
}
