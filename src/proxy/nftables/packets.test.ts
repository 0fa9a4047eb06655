import { createLog } from '../../base/log.ts';
import { openNft } from '../../kernel/nft.ts';
import { packetSuite } from '../testing/suite.ts';
import { nftablesBackend } from './backend.ts';

packetSuite('Services in nftables maps', {
  start(inNode) {
    const log = createLog('test', () => undefined);
    const nft = openNft({ log, command: [...inNode, 'nft'] });
    return { backend: nftablesBackend({ nft, log }), stop: () => nft.stop() };
  },
  masquerade: 'remote',
  refusesUnserved: true,
  damage: {
    'the table is flushed': ['nft', 'flush', 'ruleset'],
    'a chain is emptied': ['nft', 'flush', 'chain', 'ip', 'knit', 'services'],
    'elements are deleted': ['nft', 'flush', 'map', 'ip', 'knit', 'vip'],
  },
});
