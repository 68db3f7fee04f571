// Runs the policy without a host: node sdk/test.mjs

import { newHost } from "./sdk/testing";

export function itDecides(): void {
  newHost();
  // Call the hooks and check what they answer: expectAllow(…).
}
