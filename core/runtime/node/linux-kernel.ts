import type { Kernel } from './kernel.ts'
import { localAddressFor, watchOwnAddresses } from './kernel-addresses.ts'
import { addRoutes, configureTun, deleteRoutes, pinHostRoute } from './kernel-routes.ts'
import { checkForwarding, mend } from './kernel-settings.ts'

export const linuxKernel: Kernel = {
  configureTun,
  addRoutes,
  deleteRoutes,
  pinHostRoute,
  localAddressFor,
  checkForwarding,
  mend,
  watchOwnAddresses,
}
