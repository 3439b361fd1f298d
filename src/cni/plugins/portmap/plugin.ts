import type { PluginRequest } from '../../spec/plugin.ts';
import { definePlugin } from '../../spec/plugin.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { errorMessage } from '../../../model/errors.ts';
import { containerAddresses, passOn } from '../../attachment/container-addresses.ts';
import { withNodeDoors } from '../../attachment/node-doors.ts';
import { type PortmapConfig, parsePortmapConfig } from './config.ts';
import type { PortmapAttachment } from './mappings.ts';
import { applyPortMappings, checkPortMappings, collectPortMappings, removePortMappings } from './portmap.ts';

function attachmentOf(request: PluginRequest<PortmapConfig>): PortmapAttachment {
  const { containerId, ifName, network, config } = request;
  return {
    ...config,
    network: network.name,
    containerId,
    ifName,
    addresses: containerAddresses(request),
  };
}

/** Opens ports of the node that lead to the container: the capability `portMappings`. */
export const plugin = definePlugin<PortmapConfig>({
  type: 'portmap',
  chained: true,
  parse: parsePortmapConfig,
  add(request) {
    if (request.config.mappings.some(({ hostPort }) => hostPort > 0)) {
      withNodeDoors((doors) => applyPortMappings(attachmentOf(request), doors));
    }
    return passOn(request);
  },
  del({ containerId, ifName, network }) {
    withNodeDoors((doors) => removePortMappings({ network: network.name, containerId, ifName }, doors));
  },
  check(request) {
    withNodeDoors((doors) => checkPortMappings(attachmentOf(request), doors));
  },
  gc({ network, validAttachments }) {
    withNodeDoors((doors) => collectPortMappings(network.name, validAttachments, doors));
  },
  status() {
    try {
      withNodeDoors(({ nftables }) => nftables.tables('inet'));
    } catch (cause) {
      throw new CniError(`nf_tables cannot be used: ${errorMessage(cause)}`, {
        code: cniErrorCodes.pluginNotAvailable,
        cause,
      });
    }
  },
});
