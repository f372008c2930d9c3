    dtype_ = given.dtype
    given_11, given_12, given_21, given_22 = given.ravel().tolist()
    gap_1, gap_2 = gap.tolist()
    dtype = float(dtype)

    L, ddtype, dgap_1, dgap_2 = _entries(dtype, given_11, given_12, given_21, given_22, gap_1, gap_2)

    dgap = np.array([dgap_1, dgap_2], dtype_)
    return dtype_.type(L), Gradients(dtype=dtype_.type(ddtype), gap=dgap)


