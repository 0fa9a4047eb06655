export { type HttpProxy, type ProxyName, proxyHttp, splitProxyName } from './http.ts';
export { kubeletPath, type StreamSubresource } from './kubelet-path.ts';
export { nodeProxyPlace, type ProxyPlace, podProxyPlace, serviceProxyPlace } from './proxy-target.ts';
export { kubeletLog, proxyStream, type StreamAnswer, type StreamProxy } from './stream.ts';
export { answerStream, joinUpgrade } from './streams.ts';
export type { ClientTls, ProxyTarget } from './target.ts';
export { proxyUpgrade, refuseWithStatus, type UpgradeProxy } from './upgrade.ts';
