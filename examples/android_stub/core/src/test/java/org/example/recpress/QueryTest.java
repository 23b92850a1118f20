package org.example.recpress;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import org.junit.Test;

/** What the host checks before a runtime sees a request. */
public class QueryTest {
    private static Contract contract(String profile, int users, int items, String retired) throws BundleException {
        String json = "{\"model_file\":\"m.onnx\",\"format\":\"onnx\",\"recipe\":\"fp32\",\"profile\":\"" + profile
                + "\",\"n_users\":" + users + ",\"n_items\":" + items + ",\"dim\":2,\"exact\":false,"
                + "\"score_tolerance\":1e-5,\"user_input\":\"" + (profile.equals("all-users") ? "user" : "")
                + "\",\"seen_input\":\"seen\",\"k_input\":\"k\",\"items_output\":\"items\","
                + "\"scores_output\":\"scores\",\"tie_rule\":\"lower item index first\",\"retired\":" + retired
                + ",\"a field of a later version\":{}}";
        return new Contract(new Fields(Json.parseObject(json.getBytes(Json.UTF_8), "test"), "test"), "test");
    }

    private static void refused(int user, long[] seen, int k, Contract contract, String message) {
        try {
            Query.check(user, seen, k, contract);
        } catch (IllegalArgumentException error) {
            assertTrue(error.getMessage(), error.getMessage().contains(message));
            return;
        }
        fail("accepted, expected: " + message);
    }

    @Test
    public void indicesThatTheRuntimeWouldWrapAreRefused() throws BundleException {
        Contract contract = contract("all-users", 3, 5, "[]");
        refused(3, new long[0], 1, contract, "outside 0..2");
        refused(-2, new long[0], 1, contract, "outside 0..2");
        refused(SelfTest.NOBODY, new long[0], 1, contract, "say which one");
        refused(0, new long[] {5}, 1, contract, "outside 0..4");
        refused(0, new long[] {-1}, 1, contract, "outside 0..4");
        refused(0, new long[0], 0, contract, "at least 1");
        refused(0, new long[0], 1, contract("history", 0, 5, "[]"), "holds no users");
    }

    @Test
    public void kIsCappedToWhatIsNeitherSeenNorRetired() throws BundleException {
        Contract contract = contract("all-users", 3, 5, "[1,4]");
        assertEquals(3, Query.check(0, new long[0], 50, contract).k);
        assertEquals(2, Query.check(0, new long[] {0, 0, 1}, 50, contract).k);
        assertEquals(1, Query.check(0, new long[] {0, 0, 1}, 1, contract).k);
        assertEquals(0, Query.check(0, new long[] {0, 2, 3}, 1, contract).k);
    }

    @Test
    public void aHistoryCountsEachItemOnceInAscendingOrder() throws BundleException {
        Query query = Query.check(SelfTest.NOBODY, new long[] {3, 0, 3, 1}, 2, contract("history", 0, 5, "[]"));
        assertArrayEquals(new long[] {0, 1, 3}, query.seen);
        assertEquals(2, query.k);
    }

    @Test
    public void seenItemsOfAUserStayAsTheyAre() throws BundleException {
        Query query = Query.check(2, new long[] {3, 0, 3}, 2, contract("all-users", 3, 5, "[]"));
        assertArrayEquals(new long[] {3, 0, 3}, query.seen);
        assertEquals(2, query.user);
    }

    @Test
    public void theOneUserNeedsNoName() throws BundleException {
        assertEquals(0, Query.check(SelfTest.NOBODY, new long[0], 1, contract("single-user", 1, 5, "[]")).user);
    }
}
