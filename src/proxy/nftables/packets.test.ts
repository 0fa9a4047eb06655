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
});
