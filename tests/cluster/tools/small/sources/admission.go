package main

import (
	"encoding/json"
	"net/http"
)

// admissionReview is the part of admission.k8s.io/v1 AdmissionReview that is needed to deny.
type admissionReview struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Request    *admissionRequest  `json:"request,omitempty"`
	Response   *admissionResponse `json:"response,omitempty"`
}

type admissionRequest struct {
	UID string `json:"uid"`
}

type admissionResponse struct {
	UID     string          `json:"uid"`
	Allowed bool            `json:"allowed"`
	Status  admissionStatus `json:"status"`
}

type admissionStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// denyAdmission is a webhook for the API server that denies whatever it is asked.
func denyAdmission(w http.ResponseWriter, r *http.Request) {
	var review admissionReview
	body := http.MaxBytesReader(w, r.Body, 4<<20)
	if err := json.NewDecoder(body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "expected an AdmissionReview with a request", http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, admissionReview{
		APIVersion: review.APIVersion,
		Kind:       review.Kind,
		Response: &admissionResponse{
			UID:    review.Request.UID,
			Status: admissionStatus{Code: http.StatusForbidden, Message: "every object needs the label cost-center"},
		},
	})
}
