/** Names and addresses of the lab's physical network; see `underlay.ts` for the picture. */
export const underlayPrefixLength = 24;
export const routerAddress = '172.18.0.1';
export const worldAddress = '203.0.113.10';
export const worldGateway = '203.0.113.1';
export const mtuBytes = 1500;

/** Of the node with this index, counted from 0. */
export function nodeAddress(index: number): string {
  return `172.18.0.${index + 2}`;
}

/** Of the node with this index, counted from 0. */
export function nodeName(index: number): string {
  return `node-${index + 1}`;
}
