import { isAlreadyExists, isConflict, isNotFound } from '../../cluster/client.ts';
import { configMaps, serviceAccounts } from '../../cluster/resources.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';

const name = 'namespace-defaults-controller';

const rootCa = 'kube-root-ca.crt';

/** Gives every living namespace its ServiceAccount `default` and, when a CA is known, the ConfigMap that carries it. */
export function createNamespaceDefaultsController(
  context: ControllerContext,
  ca: string | undefined,
): Controller {
  const { client, informers } = context;
  const queue = createControllerQueue(context, name, sync);

  async function sync(namespace: string): Promise<void> {
    const { metadata } = informers.namespaces.get(namespace) ?? {};
    if (!metadata || metadata.deletionTimestamp) return;
    if (!informers.serviceAccounts.get(`${namespace}/default`))
      await unlessThere(client.create(serviceAccounts, { metadata: { name: 'default', namespace } }));
    if (ca !== undefined) await ensureRootCa(namespace, ca);
  }

  async function ensureRootCa(namespace: string, text: string): Promise<void> {
    const existing = informers.configMaps.get(`${namespace}/${rootCa}`);
    const data = { 'ca.crt': text };
    if (!existing)
      await unlessThere(client.create(configMaps, { metadata: { name: rootCa, namespace }, data }));
    else if (existing.data?.['ca.crt'] !== text)
      await client.patch(configMaps, { namespace, name: rootCa }, { type: 'merge', body: { data } });
  }

  return {
    name,
    async run(signal) {
      informers.namespaces.onChange(({ type, key }) => {
        if (type === 'added') queue.add(key);
      });
      informers.serviceAccounts.onChange(({ type, object }) => {
        if (type === 'deleted') queue.add(object.metadata?.namespace ?? '');
      });
      informers.configMaps.onChange(({ type, object }) => {
        if (type !== 'added') queue.add(object.metadata?.namespace ?? '');
      });
      await queue.run(signal);
    },
  };
}

async function unlessThere(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isAlreadyExists(error) && !isNotFound(error) && !isConflict(error)) throw error;
  }
}
