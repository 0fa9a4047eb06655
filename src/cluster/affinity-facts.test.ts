import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InNode, pinnedByNft, pinnedByRecent } from './affinity-facts.ts';

const web = { address: '10.96.0.9', protocol: 'tcp', port: 80 } as const;

/** What a command prints, by its last words. */
const answering =
  (answers: Readonly<Record<string, string>>): InNode =>
  async (_node, ...command) => {
    const found = Object.entries(answers).find(([end]) => command.join(' ').endsWith(end));
    return { code: found ? 0 : 1, stdout: found?.[1] ?? '' };
  };

test('nftables: from the virtual address to its pool, from pool and client to an endpoint', async () => {
  const inNode = answering({
    'vip { 10.96.0.9 . tcp . 80 }': ' elements = { 10.96.0.9 . tcp . 80 comment "shop/web:http" : 1:6000 }',
    'aff { 1:4000 . 10.244.1.3 }': ' elements = { 1:4000 . 10.244.1.3 timeout 3h expires 2h59m23s980ms : 1:4001 }',
    'ep { 1:4001 }': ' elements = { 1:4001 : 10.244.0.4 . 8080 }',
  });
  assert.deepEqual(await pinnedByNft(inNode, 'node-1', '10.244.1.3', web), { address: '10.244.0.4', port: 8080 });
  assert.equal(await pinnedByNft(inNode, 'node-1', '10.244.1.4', web), undefined);
});

test('nftables, IPv6: a client is the last 96 bits of its address', async () => {
  const inNode = answering({
    'vip { fd00:96::9 . tcp . 80 }': ' elements = { fd00:96::9 . tcp . 80 comment "shop/web:http" : 1:2002 }',
    'aff { 1:0 . 0x740001010000000000000004 }':
      ' elements = { 1:0 . 0x740001010000000000000004 timeout 3h expires 2h59m : 1:1 }',
    'ep { 1:1 }': ' elements = { 1:1 : fd6b:6e69:7400:100::3 . 8080 }',
  });
  const pin = await pinnedByNft(inNode, 'node-1', 'fd6b:6e69:7400:101::4', { ...web, address: 'fd00:96::9' });
  assert.deepEqual(pin, { address: 'fd6b:6e69:7400:100::3', port: 8080 });
});

test('iptables: the list of recent clients that has the client names the endpoint', async () => {
  const rules = `
-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A ! -s 10.244.0.0/16 -d 10.96.0.9/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-1 --mask 255.255.255.255 --rsource -j KUBE-SEP-1
-A KUBE-SVC-A -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-2 --mask 255.255.255.255 --rsource -j KUBE-SEP-2
-A KUBE-SEP-1 -p tcp -m recent --set --name KUBE-SEP-1 -m tcp -j DNAT --to-destination 10.244.0.4:8080
-A KUBE-SEP-2 -p tcp -m recent --set --name KUBE-SEP-2 -m tcp -j DNAT --to-destination 10.244.0.5:8080`.split('\n');
  const inNode = answering({
    'KUBE-SEP-1': '',
    'KUBE-SEP-2': 'src=10.244.1.3 ttl: 64 last_seen: 4295 oldest_pkt: 1 4295\n',
  });
  const pin = await pinnedByRecent(inNode, 'node-1', '10.244.1.3', web, rules);
  assert.deepEqual(pin, { address: '10.244.0.5', port: 8080 });
  assert.equal(await pinnedByRecent(inNode, 'node-1', '10.244.1.30', web, rules), undefined);
});
