export { listenAddress, parseProxyConfiguration } from './configuration.ts';
export { startStandaloneProxy } from './standalone.ts';
