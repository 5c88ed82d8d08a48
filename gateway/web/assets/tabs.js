/** What the tabs of one browser must not do at the same time. */

/**
 * Does the work while no other tab of this browser does work of that name. Where a browser has no locks, or denies them as
 * it denies storage, tabs know nothing of each other anyway.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function alone(name, work) {
  let isBegun = false;
  const begin = () => {
    isBegun = true;
    return work();
  };
  try {
    return await (navigator.locks ? navigator.locks.request(name, begin) : begin());
  } catch (failure) {
    if (isBegun) throw failure;
    return begin();
  }
}
