import type { Log } from '../base/log.ts';
import { getSysctl, setSysctl } from '../kernel/sysctl.ts';

/** What a node's network needs of its kernel, and why. */
export const nodeSysctls: readonly { readonly name: string; readonly value: string; readonly why: string }[] = [
  { name: 'net.ipv4.ip_forward', value: '1', why: 'the node routes for its pods' },
  { name: 'net.ipv6.conf.all.forwarding', value: '1', why: 'the same in IPv6' },
  { name: 'net.ipv4.conf.all.rp_filter', value: '0', why: 'replies of load-balanced traffic may come by another way' },
  { name: 'net.ipv4.conf.default.rp_filter', value: '0', why: 'the same for links to come' },
  { name: 'net.ipv4.conf.all.send_redirects', value: '0', why: 'a pod that reaches itself goes out the way it came' },
  { name: 'net.ipv4.conf.default.send_redirects', value: '0', why: 'the same for links to come' },
  { name: 'net.ipv4.icmp_ratemask', value: '0', why: 'refused UDP clients must hear of it at once, all of them' },
  { name: 'net.ipv6.icmp.ratemask', value: '', why: 'the same in IPv6' },
  { name: 'net.ipv6.conf.default.accept_dad', value: '0', why: 'nobody else has a pod link, and the search costs 1 s' },
  { name: 'net.ipv6.conf.default.dad_transmits', value: '0', why: 'the same' },
  { name: 'net.netfilter.nf_conntrack_tcp_be_liberal', value: '1', why: 'a late segment must not pass untranslated' },
  {
    name: 'net.netfilter.nf_conntrack_tcp_timeout_syn_sent',
    value: '5',
    why: 'who uses the port of a try at a dead pod again is led to another',
  },
  { name: 'net.netfilter.nf_conntrack_tcp_timeout_close_wait', value: '3600', why: 'a half-closed flow may be silent' },
  { name: 'net.netfilter.nf_conntrack_tcp_timeout_established', value: '86400', why: 'as kube-proxy: 5 days fill it' },
  { name: 'net.netfilter.nf_conntrack_events', value: '1', why: 'flows older than a listener are told too' },
  { name: 'net.netfilter.nf_conntrack_timestamp', value: '1', why: 'traces show when a flow began' },
];

/** Sets those that this kernel has; what it refuses is logged, since most of the network works without. */
export async function applyNodeSysctls(log: Log): Promise<void> {
  for (const { name, value, why } of nodeSysctls) {
    try {
      const now = await getSysctl(name);
      if (now !== undefined && now !== value) await setSysctl(name, value);
    } catch (error) {
      log.warn('a kernel parameter could not be set', { name, value, why, error });
    }
  }
}
