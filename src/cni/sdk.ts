/**
 * `import { definePlugin, runPlugin } from 'podnet/cni'`: what a CNI plugin of your own needs. The one module of podnet
 * that only gathers exports, for it is the door for other packages; docs/cni-plugin-tutorial.md shows the way.
 */
export type { Attachment, NetworkConfig } from './spec/config.ts';
export type { Delegate } from './spec/delegate.ts';
export { CniError, cniErrorCodes } from './spec/error.ts';
export { type Fields, type JsonObject, fieldsOf } from './spec/json.ts';
export {
  type ChainedDefinition,
  type Plugin,
  type PluginAnswer,
  type PluginDefinition,
  type PluginInput,
  type PluginRequest,
  type PluginResult,
  definePlugin,
} from './spec/plugin.ts';
export type { CniDns, CniInterface, CniIp, CniResult, CniRoute } from './spec/result.ts';
export { runPlugin } from './spec/run-plugin.ts';
export type { Bandwidth, IpRange, PortMapping, RuntimeConfig } from './spec/runtime-config.ts';
export { type CniVersion, cniVersions } from './spec/versions.ts';
