/** A CNI plugin: writes down every container's address and name where dnsmasq (`--hostsdir`) or CoreDNS reads them. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CniError, cniErrorCodes, definePlugin, fieldsOf, runPlugin } from 'podnet/cni';

const plugin = definePlugin({
  type: 'hosts-record',
  chained: true,
  parse({ raw, name }) {
    const fields = fieldsOf(raw);
    return { directory: join(fields.requiredString('directory'), name), domain: fields.string('domain') };
  },
  add({ config: { directory, domain }, containerId, ifName, args, prevResult }) {
    const labels = [args.get('K8S_POD_NAME') ?? containerId, args.get('K8S_POD_NAMESPACE'), domain];
    const name = labels.filter(Boolean).join('.');
    if (!/^[\w.-]+$/.test(name))
      throw new CniError(`${name} is no name`, { code: cniErrorCodes.invalidConfig });
    const lines = prevResult.ips?.map(({ address }) => `${address.split('/')[0]} ${name}\n`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${containerId}:${ifName}`), lines?.join('') ?? '');
    return prevResult;
  },
  check({ config: { directory }, containerId, ifName, prevResult }) {
    const record = readFileSync(join(directory, `${containerId}:${ifName}`), 'utf8');
    const lost = prevResult?.ips?.find(({ address }) => !record.includes(`${address.split('/')[0]} `));
    if (lost) throw new CniError(`${lost.address} is not in the record`, { code: cniErrorCodes.io });
  },
  del: ({ config: { directory }, containerId, ifName }) =>
    rmSync(join(directory, `${containerId}:${ifName}`), { force: true }),
  gc({ config: { directory }, validAttachments }) {
    mkdirSync(directory, { recursive: true });
    const valid = new Set(validAttachments.map(({ containerId, ifName }) => `${containerId}:${ifName}`));
    for (const file of readdirSync(directory)) if (!valid.has(file)) rmSync(join(directory, file));
  },
});

await runPlugin(plugin);
