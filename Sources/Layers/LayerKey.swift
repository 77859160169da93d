/// The key of a random number stream: a hash of the path of the layer or tensor that draws. It depends on nothing else, so that a model
/// can grow without changing the numbers of the layers that it had.
///
/// FNV-1a with 64 bits over the UTF-8 bytes, then the finaliser of splitmix64 (Steele, Lea and Flood 2014) to spread near names.
public func layerKey(_ path: String) -> UInt64 {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
  hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
  hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
  return hash ^ (hash >> 31)
}
