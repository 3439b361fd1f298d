import type { Client } from '../../cluster/client.ts';
import { createInformer } from '../../cluster/informer.ts';
import { configMaps } from '../../cluster/resources.ts';
import type { ConfigMap } from '../../model/objects.ts';

/** A Corefile and the files beside it, as its ConfigMaps have them. */
export interface CorefileSource {
  /** Undefined when there is no ConfigMap, or none of its keys is `Corefile`. */
  readonly text: string | undefined;
  readonly files: ReadonlyMap<string, string>;
  /** The ConfigMap itself, for Events. */
  readonly object: ConfigMap | undefined;
}

export const corefileRef = { namespace: 'kube-system', name: 'coredns' } as const;
const customRef = { namespace: 'kube-system', name: 'coredns-custom' } as const;

/** Calls `onChange` with the first state, and with every state after it, until the signal aborts. */
export async function followCorefile(
  client: Client,
  {
    signal,
    onChange,
    onError,
  }: {
    readonly signal: AbortSignal;
    readonly onChange: (source: CorefileSource) => void;
    readonly onError: (error: unknown) => void;
  },
): Promise<void> {
  const [own, custom] = [corefileRef, customRef].map(({ namespace, name }) =>
    createInformer(client, configMaps, { namespace, fieldSelector: `metadata.name=${name}`, onError }),
  );
  if (own === undefined || custom === undefined) return;
  const tell = (): void => {
    const object = own.list()[0];
    const files = new Map([
      ...Object.entries(object?.data ?? {}).map(([name, text]) => [`/etc/coredns/${name}`, text] as const),
      ...Object.entries(custom.list()[0]?.data ?? {}).map(
        ([name, text]) => [`/etc/coredns/custom/${name}`, text] as const,
      ),
    ]);
    onChange({ text: object?.data?.['Corefile'], files, object });
  };
  const watching = Promise.all([own.run(signal), custom.run(signal)]);
  await Promise.all([own.synced, custom.synced]);
  tell();
  own.onChange(() => tell());
  custom.onChange(() => tell());
  await watching;
}
