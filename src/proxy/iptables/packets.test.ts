import { createLog } from '../../base/log.ts';
import { openIptables } from '../../kernel/iptables.ts';
import { packetSuite } from '../testing/suite.ts';
import { iptablesBackend } from './backend.ts';

packetSuite('Services in the chains of iptables', {
  start(inNode) {
    const log = createLog('test', () => undefined);
    const iptables = openIptables({ enter: inNode });
    return { backend: iptablesBackend({ iptables, log }), stop: async () => undefined };
  },
  masquerade: 'always',
  refusesUnserved: false,
  damage: {
    'all tables are deleted': ['nft', 'flush', 'ruleset'],
    'a chain is emptied': ['iptables', '-t', 'nat', '-F', 'KUBE-SERVICES'],
    'a rule is deleted': ['iptables', '-t', 'nat', '-D', 'OUTPUT', '1'],
    'a rule is inserted': ['iptables', '-t', 'nat', '-I', 'KUBE-SERVICES', '-j', 'RETURN'],
    'a chain is added that nobody planned': ['iptables', '-t', 'nat', '-N', 'KUBE-SVC-AAAAAAAAAAAAAAAA'],
  },
});
