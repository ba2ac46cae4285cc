import type { Kernel } from './kernel.ts'
import { localAddressFor, watchOwnAddresses } from './kernel-addresses.ts'
import { guardInterfaces, nftProblem, removeGuard } from './kernel-guard.ts'
import { interfaces, watchRoutes } from './kernel-reach.ts'
import { addIpv6, addRoutes, configureTun, deleteRoutes, pinHostRoute, removeIpv6 } from './kernel-routes.ts'
import { checkForwarding, mend } from './kernel-settings.ts'

export const linuxKernel: Kernel = {
  configureTun,
  addIpv6,
  removeIpv6,
  addRoutes,
  deleteRoutes,
  pinHostRoute,
  localAddressFor,
  checkForwarding,
  mend,
  watchOwnAddresses,
  interfaces,
  watchRoutes,
  guardInterfaces,
  removeGuard,
  nftProblem,
}
