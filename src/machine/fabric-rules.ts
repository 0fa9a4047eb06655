import type { FabricSpec } from './fabric.ts';

/**
 * The fabric's rules, whole: loading them replaces what was there in one step. As in a cloud, only nodes have a way
 * out: a pod's packet leaves when its node has given it the node's address, and not otherwise.
 */
export function fabricRules(spec: FabricSpec): string {
  const outward = spec.nodes.map((node) => `${node.address} : ${node.outsideAddress}`);
  const inward = spec.nodes.map((node) => `${node.outsideAddress} : ${node.address}`);
  return `
table ip knit {}
delete table ip knit
table ip knit {
  map outside_of { type ipv4_addr : ipv4_addr; ${elements(outward)} }
  map node_of { type ipv4_addr : ipv4_addr; ${elements(inward)} }

  chain forward {
    type filter hook forward priority filter
    ip saddr ${spec.podCIDR} oifname { "uplink", "host" } counter drop comment "pod addresses end at the fabric"
    ip saddr ${spec.podCIDR} oifname "c-*" counter drop comment "pod addresses end at the fabric"
    iifname "c-*" ip daddr { ${spec.podCIDR}, ${spec.nodeCIDR} } ct direction original ct status & dnat != dnat drop comment "inside addresses are unknown outside"
  }
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname != { "uplink", "host" } dnat to ip daddr map @node_of comment "a node's outside address, 1:1"
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "uplink" masquerade comment "the way to the machine's own network"
    ${spec.uplink === 'nat' ? 'oifname "host" masquerade comment "the way to the machine\'s own network"' : ''}
    oifname "c-*" snat to ip saddr map @outside_of comment "a node's outside address, 1:1"
    ct status & dnat == dnat snat to ip saddr map @outside_of comment "also for a node that asks an outside address"
  }
}
${ipv6Rules(spec)}`;
}

/** Nodes have one IPv6 address, inside and outside the same: nothing is translated. */
function ipv6Rules({ ipv6 }: FabricSpec): string {
  const remove = 'table ip6 knit {}\ndelete table ip6 knit\n';
  if (!ipv6) return remove;
  return `${remove}table ip6 knit {
  chain forward {
    type filter hook forward priority filter
    ip6 saddr ${ipv6.podCIDR} oifname { "uplink", "host", "c-*" } counter drop comment "pod addresses end at the fabric"
    iifname "c-*" ip6 daddr ${ipv6.podCIDR} drop comment "inside addresses are unknown outside"
  }
}`;
}

function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : `elements = { ${list.join(', ')} }`;
}
